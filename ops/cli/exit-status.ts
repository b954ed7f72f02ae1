import { fileError } from '../../connectors/system/file-error.ts'
import { errorCodes } from '../../topology/error-codes.ts'
import { shownMistake } from '../../topology/swarm/shown-mistakes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { terminalText } from './terminal-text.ts'

/** Exit statuses for scripts: 0 success, 1 wrong input, 2 wrong usage, 3 a server or dependency cannot be reached. */
export const exitStatus = { done: 0, wrongInput: 1, usage: 2, unreachable: 3 } as const

/**
 * Prints an error, with one line for each mistake, and returns the exit status. An error with a Waggle code is printed without a stack trace, because
 * the user can correct it.
 */
export function reportError(thrown: unknown, options: { readonly json: boolean; readonly write?: (text: string) => void }): number {
  const write = options.write ?? ((text: string) => process.stderr.write(text))
  const error = thrown instanceof WaggleError ? thrown : fileError(thrown)
  if (error === null) {
    write(`waggle: an error that Waggle does not know: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`)
    return exitStatus.unreachable
  }
  const mistakes = mistakesOf(error)
  if (options.json) write(`${JSON.stringify({ error: error.code, mistakes: mistakes.map(shownMistake) })}\n`)
  else for (const mistake of mistakes) write(terminalText(`${mistake.place ?? 'waggle'}: ${ended(mistake.message, mistake.place)} ${mistake.next}\n`))
  return errorCodes[error.code].exit
}

/** The mistakes of a file, from the cause of the file's error. For any other error, the error itself. */
export function mistakesOf(error: WaggleError): readonly WaggleError[] {
  const { cause } = error
  if (!(cause instanceof AggregateError)) return [error]
  return cause.errors.filter((one): one is WaggleError => one instanceof WaggleError)
}

function ended(message: string, place: string | undefined): string {
  return `${message.replace(/\.+$/, '')}${place === undefined ? '.' : ';'}`
}
