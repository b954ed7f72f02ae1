import type { Serde } from '../../../topology/serde.ts'

/** The key of a subscription: `length of the foreign key i32 │ foreign key │ primary key`. All subscriptions to one foreign key are adjacent. */
export function subscriptionKey(foreignKey: Uint8Array, primaryKey: Uint8Array | null): Uint8Array {
  const key = Buffer.allocUnsafe(4 + foreignKey.length + (primaryKey?.length ?? 0))
  key.writeInt32BE(foreignKey.length)
  key.set(foreignKey, 4)
  if (primaryKey !== null) key.set(primaryKey, 4 + foreignKey.length)
  return key
}

export const bytesAsTheyAre: Pick<Serde<Uint8Array>, 'serialize'> = { serialize: (_, value) => value }
