declare const isDurable: unique symbol

/**
 * A value that a crash cannot take back. A response that promises something must be made from durable values. Only the two functions in this file
 * make durable values. So no response can be sent before the write that makes it true.
 */
export type Durable<T extends object> = T & { readonly [isDurable]: true }

/** Makes a value durable when its write succeeds. Rejects if the write fails: then nothing may be promised. */
export async function whenWritten<T extends object>(value: T, written: Promise<unknown>): Promise<Durable<T>> {
  await written
  return value as Durable<T>
}

/** Marks a value from a reader's record as durable. Readers only return durable records. */
export function readBack<T extends object>(value: T): Durable<T> {
  return value as Durable<T>
}
