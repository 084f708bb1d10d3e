import { codec } from 'k4net';

const { bytes, nothing, request, uint32 } = codec;

export const messages = {
  echo: request(uint32, uint32),
  sum: request(bytes, uint32),
  begun: request(nothing, uint32),
  fail: request(nothing, nothing),
  hang: request(nothing, nothing),
  crash: request(nothing, nothing),
};
