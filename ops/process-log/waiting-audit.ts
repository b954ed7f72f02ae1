import { rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { withFileLock } from '../../connectors/system/file-lock.ts'
import { privateFileStats, readPrivateFile, writePrivateFile } from '../../connectors/system/private-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { auditLine } from './audit-line.ts'
import type { LogLine } from './log-line.ts'

/** A change of tokens or secrets, named as the call of the API that makes the same change. */
interface DirectChange {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** The name of what was created, if the path does not have it. */
  readonly target: string
  readonly status: number
}

/**
 * The lines of the audit log for commands that changed a data directory where no process ran. They wait in `audit.json` of that directory. The next
 * process that opens the directory writes them into its log, and deletes the file. The file keeps the newest 10,000 changes.
 */
export class WaitingAudit {
  readonly #file: string

  constructor(dataDirectory: string) {
    this.#file = join(dataDirectory, 'audit.json')
  }

  /**
   * Makes a change, and adds it durably. The file is read first: if it is damaged, locked or of another user, nothing is changed. Throws
   * WAGGLE_AUDIT_DAMAGED, WAGGLE_FILE_LOCKED, the errors of the file, and those of `make`, after which nothing is added.
   */
  record<T>(change: DirectChange, nowMs: number, make: () => T): T {
    return withFileLock(this.#file, () => {
      const { changes, left_out } = this.#read()
      const made = make()
      const { path, target } = change
      const added = { ...change, path: cut(path), target: cut(target), at: new Date(nowMs).toISOString(), caller: cut(userName()) }
      const all = [...changes, added]
      const kept = all.slice(-maxChanges)
      writePrivateFile(this.#file, `${JSON.stringify({ version, left_out: left_out + all.length - kept.length, changes: kept })}\n`)
      return made
    })
  }

  /** Writes the changes into the log, the oldest first, and deletes the file. A damaged file stays, and is a warning. */
  flush(say: LogLine): void {
    if (privateFileStats(this.#file) === undefined) return
    try {
      withFileLock(this.#file, () => {
        const { changes, left_out } = this.#read()
        if (left_out > 0) say('audit', 'warn', `${left_out} older changes of tokens and secrets by commands are left out`)
        for (const { at, ...change } of changes) auditLine(say, { ...change, flags: [`at=${at}`], requestId: '', isRefused: false })
        rmSync(this.#file, { force: true })
      })
    } catch (thrown) {
      if (!(thrown instanceof WaggleError)) throw thrown
      say('audit', 'warn', `${thrown.message}. ${thrown.next}`)
    }
  }

  #read(): WaitingFile {
    if (privateFileStats(this.#file) === undefined) return { version, left_out: 0, changes: [] }
    const text = Buffer.from(readPrivateFile(this.#file, { maxBytes: maxFileBytes, next: 'Move the file away.' })).toString()
    const value = parsed(text)
    if (Value.Check(waitingFile, value)) return value
    throw new WaggleError('WAGGLE_AUDIT_DAMAGED', {
      message: `${this.#file} is not a list of changes for the audit log`,
      next: 'Keep what it says, find out who changed it, and move it away.',
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The beginning of a text that is too long for the file. Stores of earlier versions have names of any length. */
function cut(text: string): string {
  return text.slice(0, maxText)
}

/** The user of the operating system. A container may run as a user without a name. */
function userName(): string {
  try {
    return `user:${userInfo().username}`
  } catch {
    return `user:${process.geteuid?.() ?? 'unknown'}`
  }
}

type WaitingFile = Type.Static<typeof waitingFile>

const version = 1
const maxChanges = 10_000
const maxFileBytes = 16 * 1024 * 1024
const maxText = 1000
const short = Type.String({ maxLength: maxText })
const waitingFile = Type.Object({
  version: Type.Literal(version),
  left_out: Type.Integer({ minimum: 0 }),
  changes: Type.Array(
    Type.Object({
      at: short,
      caller: short,
      method: Type.Enum(['POST', 'PUT', 'DELETE']),
      path: short,
      target: short,
      status: Type.Integer(),
    }),
    { maxItems: maxChanges },
  ),
})
