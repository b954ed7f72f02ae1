import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { goCommand } from '../../ops/setup/go-command.ts'

export interface GoProgramOptions {
  /** The name of the program in the cache. It contains the version, because a program that is in the cache is not built again. */
  readonly name: string
  /** The folder with `main.go`, `go.mod` and `go.sum`. */
  readonly sources: string
  /** The subject of the message if the program is not available, such as `OpenTelemetry collector to test with`. */
  readonly purpose: string
}

/** The path of a program, or the reason why it is not available. */
export type FoundProgram = { readonly path: string } | { readonly missing: string }

/**
 * A program that tests need and that Go builds once, into a cache of the user. The build takes up to some minutes of CPU time. `npm test` builds
 * programs before the tests, because the time limits of tests are shorter.
 */
export function goProgram({ name, sources, purpose }: GoProgramOptions): FoundProgram {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const path = join(cache, name)
  if (existsSync(path)) return { path }
  if (spawnSync(goCommand, ['version']).status !== 0) return { missing: `There is no ${purpose}: it is built by go, which is not on this machine` }
  mkdirSync(cache, { recursive: true })
  const built = mkdtempSync(join(cache, 'fetch-'))
  try {
    for (const file of ['main.go', 'go.mod', 'go.sum']) copyFileSync(join(sources, file), join(built, file))
    const env = { ...process.env, GOFLAGS: '-buildvcs=false' }
    const { status, stderr } = spawnSync(goCommand, ['build', '-trimpath', '-ldflags=-s -w', '-o', 'program', '.'], {
      cwd: built,
      encoding: 'utf8',
      env,
      timeout: buildMs,
    })
    if (status !== 0) return { missing: `There is no ${purpose}: go cannot build it: ${stderr.slice(-500)}` }
    renameSync(join(built, 'program'), path)
    return { path }
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
}

/** Builds the program before the tests. The exit status is 1 if it is not available in CI. */
export function prepare(found: FoundProgram): void {
  if ('missing' in found) process.stdout.write(`${found.missing}\n`)
  process.exitCode = 'missing' in found && process.env.CI === 'true' ? 1 : 0
}

const buildMs = 900_000
