import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { goCommand } from '../setup/go-command.ts'

const sources = join(import.meta.dirname, 'control-plane')
/** The version of Kubernetes that the module of the program names. */
const version = /^\s*k8s\.io\/kubernetes v(\S+)$/m.exec(readFileSync(join(sources, 'go.mod'), 'utf8'))?.[1] ?? ''

/**
 * The program of a Kubernetes control plane, or the reason why it is not available. Its first argument is `etcd`, `kube-apiserver`,
 * `kube-controller-manager`, `kube-scheduler` or `kubectl`. The program is not built here, because the build takes ten minutes of CPU time: run
 * this file for it.
 */
export function controlPlane(): { readonly path: string } | { readonly missing: string } {
  const path = programPath()
  if (existsSync(path)) return { path }
  return { missing: `There is no Kubernetes API server to test with: \`node ops/check/control-plane.ts\` builds one, once, in ${buildTime}` }
}

/** Builds the program into a cache of the user. Throws an error with the last words of go. */
function build(): string {
  const path = programPath()
  if (existsSync(path)) return path
  const cache = cacheDirectory()
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'fetch-'))
  try {
    for (const name of ['main.go', 'go.mod', 'go.sum']) copyFileSync(join(sources, name), join(folder, name))
    // The programs take their version from the linker. Helm compares it with the `kubeVersion` of the chart.
    const [major, minor] = version.split('.')
    const stamps = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' }
    const places = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
    const stamped = places.flatMap((place) => Object.entries(stamps).map(([name, value]) => `-X ${place}.${name}=${value}`))
    const argv = ['build', '-trimpath', `-ldflags=-s -w ${stamped.join(' ')}`, '-o', 'control-plane', '.']
    const env = { ...process.env, GOFLAGS: `${process.env.GOFLAGS ?? ''} -buildvcs=false`.trim() }
    const { status, stderr, error } = spawnSync(goCommand, argv, { cwd: folder, encoding: 'utf8', env, maxBuffer: 64 * 1024 * 1024 })
    if (error !== undefined) throw new Error(`go is needed to build the control plane: ${error.message}`)
    if (status !== 0) throw new Error(`go cannot build the control plane: ${stderr.slice(-2_000)}`)
    renameSync(join(folder, 'control-plane'), path)
    return path
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function programPath(): string {
  return join(cacheDirectory(), `control-plane-${version}`)
}

function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
}

const buildTime = 'ten minutes of CPU time'

if (import.meta.main) {
  try {
    process.stdout.write(`${build()}\n`)
  } catch (thrown) {
    process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
    process.exitCode = 1
  }
}
