/** A binary message of a mix: the packet number as 8 bytes big-endian, then one Opus packet. */

export interface Packet {
  number: number;
  opus: Uint8Array;
}

const HEADER_BYTES = 8;

/** Parses a binary message. Returns null if it contains no Opus packet. */
export function parsePacket(message: ArrayBuffer): Packet | null {
  if (message.byteLength <= HEADER_BYTES) {
    return null;
  }
  const view = new DataView(message);
  // A double represents the packet number exactly: 2^53 packets last millions of years.
  const number = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return { number, opus: new Uint8Array(message, HEADER_BYTES) };
}
