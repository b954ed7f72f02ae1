/** Makes a UUID of this version from the first 16 bytes (RFC 9562). Only the bits of version and variant are changed. */
export function uuidOf(bytes: Uint8Array, version: 7 | 8): string {
  let text = ''
  for (let at = 0; at < 16; at++) {
    const byte = bytes[at] ?? 0
    const own = at === 6 ? (byte & 0x0f) | (version << 4) : at === 8 ? (byte & 0x3f) | 0x80 : byte
    text += at === 4 || at === 6 || at === 8 || at === 10 ? `-${hex[own]}` : hex[own]
  }
  return text
}

/** The time in a UUIDv7, in epoch ms; null for any other text. */
export function timeOfUuid(text: string): number | null {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(text) ?? []
  return high === undefined || low === undefined ? null : Number.parseInt(high + low, 16)
}

/** Each byte as two hexadecimal digits. */
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
