import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { spawnEnding } from '../../ops/bench/ending-child.ts'
import { freePort } from './free-port.ts'

/** A real, empty schema registry with Confluent's API, or the reason why it is not available. */
export type SchemaRegistryServer = { readonly url: string; stop(): Promise<void> } | { readonly missing: string }

const version = '3.0.9'
const runner = `apicurio-registry-app-${version}-runner.jar`
const readyWithinMs = 120_000

/** Starts Apicurio Registry from Maven Central, with its storage in memory. In CI it must be available. */
export async function startApicurio(): Promise<SchemaRegistryServer> {
  const found = await start()
  if ('missing' in found && process.env.CI === 'true') throw new Error(`The tests need a schema registry: ${found.missing}`)
  return found
}

async function start(): Promise<SchemaRegistryServer> {
  const program = bring()
  if ('missing' in program) return program
  const port = await freePort()
  const { directory } = program
  const child = spawnEnding(
    'java',
    ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${port}`, '-jar', join(directory, runner)],
    { cwd: directory, stdio: 'ignore' },
  )
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const stop = async () => {
    process.off('exit', end)
    await stopped(child)
  }
  if (await answers(`${url}/subjects`, child)) return { url, stop }
  await stop()
  return { missing: `Apicurio Registry did not answer at ${url}` }
}

/** Downloads the registry once, into a cache of the user. */
function bring(): { readonly directory: string } | { readonly missing: string } {
  for (const tool of ['java', 'mvn', 'tar']) {
    if (spawnSync(tool, [tool === 'java' ? '-version' : '--version']).status !== 0) return { missing: `${tool} is not on this machine` }
  }
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const directory = join(cache, `apicurio-registry-${version}`)
  if (existsSync(directory)) return { directory }
  mkdirSync(cache, { recursive: true })
  const fetched = mkdtempSync(join(cache, 'fetch-'))
  try {
    // A newer plugin needs the parent's POM, which is not published.
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:2.10:copy'
    const artifact = `-Dartifact=io.apicurio:apicurio-registry-app:${version}:tar.gz:all`
    const got = spawnSync('mvn', ['-q', '-B', copy, artifact, `-DoutputDirectory=${fetched}`], { encoding: 'utf8' })
    if (got.status !== 0) return { missing: `Maven cannot fetch Apicurio Registry: ${got.stdout.slice(-500)}` }
    const unpacked = join(fetched, 'unpacked')
    mkdirSync(unpacked)
    const taken = spawnSync('tar', ['xzf', join(fetched, `apicurio-registry-app-${version}-all.tar.gz`), '-C', unpacked], { encoding: 'utf8' })
    if (taken.status !== 0) return { missing: `Apicurio Registry cannot be unpacked: ${taken.stderr}` }
    // Another process may have created the folder first.
    if (!existsSync(directory)) renameSync(unpacked, directory)
    return { directory }
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const end = Date.now() + readyWithinMs
  while (Date.now() < end && child.exitCode === null) {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null)
    if (response?.ok) return true
    await setTimeout(100)
  }
  return false
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
