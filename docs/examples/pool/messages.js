// The tasks of this example as typed messages. Pool and worker import this file, so both encode the
// same way.
import { codec } from 'k4net';

const { bytes, float64, nothing, request, struct, uint16 } = codec;

export const messages = {
  /**
   * One tile of the picture: its place in the plane, its size in pixels, a shade for each pixel.
   */
  tile: request(
    struct({ left: float64, top: float64, step: float64, width: uint16, height: uint16, depth: uint16 }),
    bytes,
  ),
  /** Makes the worker fail, to show what happens then. */
  crash: request(nothing, nothing),
};
