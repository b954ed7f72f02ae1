import { WaggleError } from '../waggle-error.ts'
import type { SwarmMistake } from './swarm-management.ts'

/** The mistakes of a swarm file, each with its place. If the error lists no mistakes, the error itself is the only mistake. */
export function mistakesIn(error: WaggleError): readonly SwarmMistake[] {
  const { cause } = error
  const mistakes = cause instanceof AggregateError ? cause.errors.filter((one): one is WaggleError => one instanceof WaggleError) : [error]
  return mistakes.map(shownMistake)
}

export function shownMistake(mistake: WaggleError): SwarmMistake {
  const [, file, line, column] = /^(.*):(\d+):(\d+)$/.exec(mistake.place ?? '') ?? []
  return {
    file: file ?? mistake.place ?? null,
    line: line === undefined ? null : Number(line),
    column: column === undefined ? null : Number(column),
    code: mistake.code,
    message: mistake.message,
    next: mistake.next,
  }
}
