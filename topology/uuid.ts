/** The first 16 bytes as a UUID of this version (RFC 9562): the bits of version and variant are set, all others stay. */
export function uuidOf(bytes: Uint8Array, version: 7 | 8): string {
  const own = Buffer.from(bytes.subarray(0, 16))
  own.writeUInt8((own.readUInt8(6) & 0x0f) | (version << 4), 6)
  own.writeUInt8((own.readUInt8(8) & 0x3f) | 0x80, 8)
  return own.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
