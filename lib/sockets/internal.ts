/** Methods of LockedSocket for the layers above, which are not public. */

/** Breaks the connection with an error, which the peer gets where there are alerts. */
export const fail: unique symbol = Symbol('fail');

/**
 * Sets what is called when the peer has ended and there is no message to receive, at once if that is so already;
 * undefined takes it back.
 */
export const onEmptyEnd: unique symbol = Symbol('onEmptyEnd');
