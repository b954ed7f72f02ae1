import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { goCommand } from '../setup/go-command.ts'

/**
 * The program of an S3 server, or the reason why it is not available. The program is built once, into a cache of the user. The build takes three
 * minutes of CPU time. `npm test` builds it before the tests, because the time limits of tests are shorter.
 */
export function versitygw(): { readonly path: string } | { readonly missing: string } {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const directory = join(cache, `versitygw-${version}`)
  const path = join(directory, 'versitygw')
  if (existsSync(path)) return { path }
  if (spawnSync(goCommand, ['version']).status !== 0)
    return { missing: 'There is no S3 to test with: versitygw is built by go, which is not on this machine' }
  mkdirSync(cache, { recursive: true })
  const built = mkdtempSync(join(cache, 'fetch-'))
  try {
    const install = [goCommand, 'install', `github.com/versity/versitygw/cmd/versitygw@v${version}`]
    // Test files run at the same time. The lock lets one of them build the program, and the others wait for it.
    const hasLock = spawnSync('flock', ['--version']).status === 0
    const lock = hasLock ? ['flock', '--no-fork', join(cache, 'versitygw.lock')] : []
    const script = 'test -e "$0" || exec "$@"'
    const [program = 'sh', ...argv] = [...lock, 'sh', '-c', script, path, ...install]
    const env = { ...process.env, GOBIN: built, GOFLAGS: '-buildvcs=false' }
    const { status, stderr } = spawnSync(program, argv, { encoding: 'utf8', env, timeout: buildMs })
    if (existsSync(path)) return { path }
    if (status !== 0) return { missing: `There is no S3 to test with: go cannot build versitygw ${version}: ${stderr.slice(-500)}` }
    mkdirSync(directory, { recursive: true })
    renameSync(join(built, 'versitygw'), path)
    return { path }
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
}

const version = '1.8.0'
const buildMs = 900_000

if (import.meta.main) {
  const found = versitygw()
  if ('missing' in found) process.stdout.write(`${found.missing}\n`)
  process.exitCode = 'missing' in found && process.env.CI === 'true' ? 1 : 0
}
