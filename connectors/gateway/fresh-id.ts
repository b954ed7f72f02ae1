import type { Clock, Random } from '../../processor/ports.ts'
import { uuidOf } from '../../topology/uuid.ts'

/** A new id: a UUIDv7 (RFC 9562, section 5.7), which sorts by time. */
export function freshId(clock: Clock, random: Random): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes.writeUIntBE(clock.now(), 0, 6)
  return uuidOf(bytes, 7)
}
