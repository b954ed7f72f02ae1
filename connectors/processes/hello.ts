import type { Form } from './message-codec.ts'
import { clipped, type Fields, parsedObject, protocolError, sentence } from './protocol-fault.ts'

/** The first message of a process. It gives the encoding of the messages, and the optional fields that the process asks for. */
export interface Hello {
  readonly kind: 'hello'
  readonly form: Form
  readonly wants: ReadonlySet<Wish>
  /** The number of requests without a result that the process wants to have at most at a time. */
  readonly window: number
}

export type Wish = 'cancel' | 'ping' | 'headers' | 'parts'

/** A line before the hello. It says that the process is still loading. */
export interface Loading {
  readonly kind: 'loading'
  readonly what: string
}

/** A line in place of the hello. It says that the process cannot start. */
export interface StartFailure {
  readonly kind: 'failed'
  readonly why: string
  /** The place in a user's file, `FILE:LINE` or `FILE:LINE:COL`. */
  readonly place: string | null
  readonly next: string | null
}

export type Opening = Hello | Loading | StartFailure

export function decodeOpening(line: Buffer, bee: string): Opening {
  const fields = parsedObject(line, bee)
  if (fields.waggle === 1) return helloOf(fields, bee)
  if (typeof fields.loading === 'string') return { kind: 'loading', what: sentence(fields.loading) }
  if (typeof fields.failed === 'string')
    return { kind: 'failed', why: sentence(fields.failed), place: textOrNull(fields.place), next: textOrNull(fields.next) }
  throw protocolError(bee, `no hello: ${clipped(line)}`)
}

/** Returns the window that a process names. Throws WAGGLE_BEE_PROTOCOL if it is out of bounds. */
export function windowOf(value: unknown, least: 0 | 1, bee: string): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= maxWindow) return value as number
  throw protocolError(bee, `the window ${clipped(Buffer.from(String(JSON.stringify(value))))}, which is no number from ${least} to ${maxWindow}`)
}

function helloOf({ form = 'json', wants, window = maxWindow }: Fields, bee: string): Hello {
  if (form !== 'json' && form !== 'binary')
    throw protocolError(bee, `the form ${clipped(Buffer.from(String(JSON.stringify(form))))}, which is neither json nor binary`)
  const names: readonly unknown[] = Array.isArray(wants) ? wants : []
  return { kind: 'hello', form, wants: new Set(known.filter((wish) => names.includes(wish))), window: windowOf(window, 1, bee) }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? sentence(value) : null
}

const known: readonly Wish[] = ['cancel', 'ping', 'headers', 'parts']

/** The upper bound of the window that a process may ask for. */
export const maxWindow = 1024
