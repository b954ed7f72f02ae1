/**
 * Runs a TypeScript file of this repository on a bare clone: installs missing packages, brings a Node that runs TypeScript where the machine's is
 * older, and then steps aside. The file is plain JavaScript for Node 14 without dependencies, because nothing is installed yet when it runs.
 *
 *     node ops/setup/launch.mjs FILE [ARGUMENT…]
 */
import { spawn } from 'node:child_process'
import { delimiter, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bringDependencies } from './bring-dependencies.mjs'
import { bringNode } from './bring-node.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

try {
  const [file, ...rest] = process.argv.slice(2)
  if (file === undefined) throw new Error('name a file to run: node ops/setup/launch.mjs FILE [ARGUMENT…]')
  bringDependencies(root)
  run(bringNode(root), [resolve(root, file), ...rest])
} catch (error) {
  process.stderr.write(`waggle: ${error.message}\n`)
  process.exitCode = 3
}

function run(node, argv) {
  // Child processes that run `node` (a swarm's commands) must get the same Node.
  // Many threads handle pictures. glibc would keep an arena for each thread, with memory that was freed.
  const env = Object.assign({ MALLOC_ARENA_MAX: '2' }, process.env, { PATH: dirname(node) + delimiter + (process.env.PATH || '') })
  const child = spawn(node, argv, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole foreground group, so it is not forwarded.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    })
  }
  child.on('error', (error) => {
    process.stderr.write(`waggle: ${node} does not start: ${error.message}\n`)
    process.exitCode = 3
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
