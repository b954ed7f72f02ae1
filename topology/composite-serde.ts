import type { Serde } from './serde.ts'

/** A serde made of other serdes. This serde opens each inner serde, and prepares each inner serde with its part of the bytes. */
export function compositeSerde<T, I>(inners: readonly Serde<I>[], make: (...inners: readonly Serde<I>[]) => Serde<T>): Serde<T> {
  const serde = make(...inners)
  const opened = inners.filter((inner) => inner.open !== undefined)
  const prepares = inners.some((inner) => inner.prepare !== undefined)
  return {
    ...serde,
    ...(opened.length === 0 ? {} : { open: async (use) => void (await Promise.all(opened.map((inner) => inner.open?.(use)))) }),
    ...(prepares ? { prepare: (topic, data) => preparation(inners, make, topic, data) } : {}),
  }
}

/** Reads the bytes with serdes that only prepare their part of the bytes, instead of decoding it. */
function preparation<T, I>(
  inners: readonly Serde<I>[],
  make: (...inners: readonly Serde<I>[]) => Serde<T>,
  topic: string,
  data: Uint8Array,
): Promise<void> | null {
  const pending: Promise<void>[] = []
  const prepared = (inner: Serde<I>): Serde<I> => ({
    ...inner,
    deserialize(name, part) {
      const fetched = inner.prepare?.(name, part) ?? null
      if (fetched !== null) pending.push(fetched)
      return null as I
    },
  })
  try {
    make(...inners.map(prepared)).deserialize(topic, data)
  } catch {
    // The error is ignored here. Malformed bytes fail again when they are read, and a handler then decides about the record.
  }
  return pending.length === 0 ? null : Promise.all(pending).then(() => {})
}
