/**
 * The partition that Kafka's Java client chooses for a key, bit for bit: `toPositive(murmur2(key)) % partitions`
 * (org.apache.kafka.clients.producer.internals.BuiltInPartitioner).
 */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/** 32-bit MurmurHash2 with Kafka's seed, as a signed integer. */
export function murmur2(data: Uint8Array): number {
  const length = data.length
  const whole = length - (length % 4)
  let h = murmur2Start(length)
  for (let at = 0; at < whole; at += 4) {
    h = murmur2Next(h, byte(data, at) | (byte(data, at + 1) << 8) | (byte(data, at + 2) << 16) | (byte(data, at + 3) << 24))
  }
  if (length - whole === 3) h ^= byte(data, whole + 2) << 16
  if (length - whole >= 2) h ^= byte(data, whole + 1) << 8
  if (length - whole >= 1) h = Math.imul(h ^ byte(data, whole), m)
  return murmur2End(h)
}

/** The state of a hash before the first of `length` bytes. */
export function murmur2Start(length: number): number {
  return seed ^ length
}

/** The state of a hash after four more bytes. `block` has the first of them in its lowest bits. */
export function murmur2Next(state: number, block: number): number {
  const k = Math.imul(block, m)
  return Math.imul(state, m) ^ Math.imul(k ^ (k >>> r), m)
}

/** The hash, as a signed integer, from the state after the last byte. */
export function murmur2End(state: number): number {
  const h = Math.imul(state ^ (state >>> 13), m)
  return h ^ (h >>> 15)
}

const seed = 0x9747b28c
const m = 0x5bd1e995
const r = 24

/** The index is always within bounds, and a typed array has no holes. */
function byte(data: Uint8Array, at: number): number {
  return data[at] ?? 0
}
