import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Guardian } from '../../connectors/processes/guardian.ts'
import { killGroup } from '../../connectors/system/process-group.ts'
import type { Clock } from '../../processor/ports.ts'

export interface ProgramReportOptions {
  readonly clock: Clock
  /** Ends the started process if this process is killed. */
  readonly guardian: Guardian
  /** The time, in ms, after which the process is killed. */
  readonly limitMs: number
  /** The environment of the process. Default: the environment of this process. The default of `cwd` is the folder of this process. */
  readonly env?: { readonly [name: string]: string }
  readonly cwd?: string
}

export interface ProgramReport {
  /** The beginning of the text that the process wrote to descriptor 3. */
  readonly text: string
  /** The exit status; null if a signal ended the process. */
  readonly status: number | null
  readonly isLate: boolean
}

/**
 * Runs a program that loads a user's code, and returns the text that the program writes to descriptor 3. Other output of the code is dropped.
 * Processes that the code has started end with the program. Descriptor 3 is a file, because a process of the code could hold a pipe open without end.
 */
export async function reportOf(
  [program = '', ...argv]: readonly string[],
  { clock, guardian, limitMs, ...options }: ProgramReportOptions,
): Promise<ProgramReport> {
  const file = unnamedFile()
  const child = spawn(program, argv, { ...options, detached: true, stdio: ['ignore', 'ignore', 'ignore', file] })
  if (child.pid !== undefined) guardian.watch(child.pid)
  let isLate = false
  const cancel = clock.after(limitMs, () => {
    isLate = true
    killGroup(child.pid)
  })
  let text = ''
  const ended = new Promise<number | null>((settle, fail) => child.on('error', fail).on('exit', settle))
  const status = await ended.finally(() => {
    cancel()
    text = contentOf(file)
  })
  killGroup(child.pid)
  if (child.pid !== undefined) guardian.forget(child.pid)
  return { text, status, isLate }
}

/** Opens a new file without a name. The system deletes the file when this process and every child have closed it. */
function unnamedFile(): number {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-check-'))
  try {
    return openSync(join(directory, 'verdict'), 'w+')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Reads the beginning of an open file, and closes the file. */
function contentOf(file: number): string {
  const bytes = Buffer.alloc(maxBytes)
  try {
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(file)
  }
}

const maxBytes = 64 * 1024
