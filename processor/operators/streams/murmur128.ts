/**
 * MurmurHash3, x64, 128 bits (Austin Appleby, public domain), with the seed that Kafka Streams uses for values. Waggle and Kafka Streams can
 * therefore recognise each other's stale responses. The result has 16 bytes: two halves, each big-endian.
 */
export function murmur128(data: Uint8Array): Uint8Array {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  let h1 = seed
  let h2 = seed
  const blocks = data.length >> 4
  for (let at = 0; at < blocks * 16; at += 16) {
    h1 = word(rotated(h1 ^ mixed1(bytes.readBigUInt64LE(at)), 27n) + h2)
    h1 = word(h1 * 5n + 0x52dce729n)
    h2 = word(rotated(h2 ^ mixed2(bytes.readBigUInt64LE(at + 8)), 31n) + h1)
    h2 = word(h2 * 5n + 0x38495ab5n)
  }
  const tail = Buffer.alloc(16)
  bytes.copy(tail, 0, blocks * 16)
  // A block of zeros mixes to zero, so a missing tail does not change the result.
  h2 ^= mixed2(tail.readBigUInt64LE(8))
  h1 ^= mixed1(tail.readBigUInt64LE(0))
  h1 ^= BigInt(data.length)
  h2 ^= BigInt(data.length)
  h1 = word(h1 + h2)
  h2 = word(h2 + h1)
  h1 = finished(h1)
  h2 = finished(h2)
  h1 = word(h1 + h2)
  h2 = word(h2 + h1)
  const hash = Buffer.allocUnsafe(16)
  hash.writeBigUInt64BE(h1, 0)
  hash.writeBigUInt64BE(h2, 8)
  return hash
}

const seed = 104_729n
const c1 = 0x87c37b91114253d5n
const c2 = 0x4cf5ad432745937fn

function word(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}

function rotated(value: bigint, by: bigint): bigint {
  return word(value << by) | (value >> (64n - by))
}

function mixed1(value: bigint): bigint {
  return word(rotated(word(value * c1), 31n) * c2)
}

function mixed2(value: bigint): bigint {
  return word(rotated(word(value * c2), 33n) * c1)
}

function finished(value: bigint): bigint {
  let mixed = value
  mixed = word((mixed ^ (mixed >> 33n)) * 0xff51afd7ed558ccdn)
  mixed = word((mixed ^ (mixed >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return mixed ^ (mixed >> 33n)
}
