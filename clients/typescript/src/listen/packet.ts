/** One binary message of a mix: 8 bytes big-endian packet number, then one Opus packet. */

export interface Packet {
  number: number;
  opus: Uint8Array;
}

const HEADER_BYTES = 8;

/** null when there is no Opus packet in it. */
export function parsePacket(message: ArrayBuffer): Packet | null {
  if (message.byteLength <= HEADER_BYTES) {
    return null;
  }
  const view = new DataView(message);
  // At fifty packets a second a double counts them exactly for five million years.
  const number = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return { number, opus: new Uint8Array(message, HEADER_BYTES) };
}
