/** Appends a whole number as a varint: seven bits a byte, the lowest first. All bytes but the last have the highest bit. */
export function pushVarint(bytes: number[], value: number): void {
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
}

/** Reads a varint. Each call of `nextByte` gives the next byte. */
export function readVarint(nextByte: () => number): number {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const byte = nextByte()
    value += (byte & 0x7f) * scale
    if (byte <= 0x7f) return value
  }
}
