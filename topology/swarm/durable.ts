declare const isDurable: unique symbol

/**
 * A value that a crash cannot take back any more. Responses that promise something are made of these alone, and only the two functions here
 * make one, so a response cannot leave before the write that makes it true.
 */
export type Durable<T extends object> = T & { readonly [isDurable]: true }

/** Rejects where the write fails: then nothing may be promised. */
export async function whenWritten<T extends object>(value: T, written: Promise<unknown>): Promise<Durable<T>> {
  await written
  return value as Durable<T>
}

/** For a value out of a record that a reader gave: readers give nothing that is not durable. */
export function readBack<T extends object>(value: T): Durable<T> {
  return value as Durable<T>
}
