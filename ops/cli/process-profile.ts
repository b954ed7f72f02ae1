import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessProfile } from '../../topology/swarm/process-debug.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { callServer } from '../inspection/server-call.ts'
import { exitStatus } from './exit-status.ts'
import { type ServerOptions, serverOf } from './server-options.ts'
import { terminalText } from './terminal-text.ts'
import { textTable } from './text-table.ts'

export interface ProfileOptions extends ServerOptions {
  readonly seconds: number
  /** The folder for the files. Default: `waggle-profile-`, followed by the time. */
  readonly output?: string
}

/** `waggle profile`: profiles a running process, writes a file for each thread, and prints where the time of requests went. */
export async function profileProcess({ seconds, output, ...options }: ProfileOptions): Promise<number> {
  if (!options.json && process.stderr.isTTY) process.stderr.write(`Profiling for ${seconds} s …\n`)
  const signal = AbortSignal.timeout((seconds + answerSeconds) * 1000)
  const path = `/v1/debug/profile?seconds=${seconds}`
  const profile = (await callServer(await serverOf(options), { method: 'POST', path, signal })) as ProcessProfile
  const directory = output ?? `waggle-profile-${new Date(profile.started_at).toISOString().replaceAll(/[:.]/g, '-')}`
  const files = written(profile, directory)
  process.stdout.write(options.json ? `${JSON.stringify({ ...profile, threads: undefined, files })}\n` : textOf(profile, files))
  return exitStatus.done
}

function written({ threads, bees, started_at, seconds }: ProcessProfile, directory: string): readonly string[] {
  const files: string[] = []
  const write = (name: string, value: unknown) => {
    const file = join(directory, name)
    writeFileSync(file, JSON.stringify(value))
    files.push(file)
  }
  try {
    mkdirSync(directory, { recursive: true })
    for (const { thread, cpu, allocations } of threads) {
      // The name comes from a server, so other characters are replaced.
      const name = thread.replaceAll(/[^a-z0-9-]/g, '_')
      if (cpu !== null) write(`${name}.cpuprofile`, cpu)
      if (allocations !== null) write(`${name}.heapprofile`, allocations)
    }
    write('bees.json', { started_at, seconds, bees })
  } catch (cause) {
    throw new WaggleError('WAGGLE_FILE_UNUSABLE', {
      message: `The profile cannot be written to ${directory}: ${(cause as Error).message}`,
      next: 'Name a folder that can be written with --output.',
      cause,
    })
  }
  return files
}

function textOf({ bees, threads }: ProcessProfile, files: readonly string[]): string {
  const ms = (value: number | null) => (value === null ? '-' : `${value.toFixed(1)} ms`)
  const cells = bees.map(({ swarm, bee, rows, calls, wait_ms, call_ms }) => [
    `${swarm}/${bee}`,
    String(rows),
    String(calls),
    ms(wait_ms),
    ms(call_ms),
  ])
  const table = cells.length === 0 ? 'No bee had a call in that time.\n' : textTable(['bee', 'rows', 'calls', 'waited', 'a call'], cells)
  const silent = threads
    .filter(({ cpu }) => cpu === null)
    .map(({ thread }) => `${terminalText(thread)} did not answer: it computed without a pause.\n`)
  return `${table.trimEnd()}\n\n${silent.join('')}${files.join('\n')}\n\nOpen a .cpuprofile or .heapprofile in the developer tools of Chromium or in VS Code.\n`
}

/** The time for the response, in addition to the time of the profile itself. */
const answerSeconds = 30
