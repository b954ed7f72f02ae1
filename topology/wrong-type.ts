import { WaggleError } from './waggle-error.ts'

/** The error for a value that its serde cannot write because of its type. */
export function wrongType(topic: string, value: unknown, wanted: string): WaggleError {
  if (value === undefined) {
    return new WaggleError('WAGGLE_UNDEFINED_VALUE', {
      message: `A value for ${topic} is undefined`,
      next: 'Return a value, or null for no value. A function with braces needs a return.',
    })
  }
  return new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `A value for ${topic} is ${shown(value)}, and not ${wanted}`,
    next: 'Write the topic with the serde of what is written.',
  })
}

/** Throws if `data`, which should be the bytes of a value, is not a Uint8Array. */
export function refuseOtherThanBytes(topic: string, data: unknown): void {
  if (data instanceof Uint8Array) return
  throw new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `The bytes of a value of ${String(topic)} are ${shown(data)}, and not a Uint8Array`,
    next: 'Give the bytes that `serialize` returned. No serde sees null.',
  })
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`
  return typeof value === 'object' ? `an object (${value.constructor?.name ?? 'without a class'})` : `${typeof value} ${String(value)}`
}
