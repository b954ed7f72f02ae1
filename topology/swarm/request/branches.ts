import { type Header, headerText, textHeader } from '../../record.ts'
import type { ErrorPayload, Payload } from '../payload/payload.ts'
import { errorPayload } from './bee-error.ts'
import { branchesHeader } from './headers.ts'

export const notTakenCode = 'WAGGLE_NOT_TAKEN'

/**
 * The payload of a branch that a request does not take. Bees pass this payload on like an error, and sinks skip it. So every input of a join gets a
 * record for each request, and a join never waits for a branch that was not taken.
 */
export function notTaken(bee: string, detail: string): ErrorPayload {
  return errorPayload({ code: notTakenCode, detail, bee })
}

export function isNotTaken(payload: Payload): boolean {
  return payload.kind === 'error' && payload.error.code === notTakenCode
}

/** The bee that chose, and the readers that it chose. */
export interface ChosenBranches {
  readonly by: string
  readonly readers: readonly string[]
}

/** The headers of a record that only some readers take. */
export function withBranches(headers: readonly Header[], { by, readers }: ChosenBranches): readonly Header[] {
  return [...withoutBranches(headers), textHeader(branchesHeader, `${by}:${readers.join(',')}`)]
}

export function withoutBranches(headers: readonly Header[]): readonly Header[] {
  return headers.filter(({ key }) => key !== branchesHeader)
}

/** The choice of readers in a record's headers; null if the record is for all readers. */
export function branchesOf(headers: readonly Header[]): ChosenBranches | null {
  const text = headerText(headers, branchesHeader)
  if (text === null) return null
  const colon = text.indexOf(':')
  return { by: text.slice(0, colon), readers: text.slice(colon + 1).split(',') }
}
