import { spawn } from 'node:child_process'
import { delimiter, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bringDependencies } from './bring-dependencies.mjs'
import { bringNode } from './bring-node.mjs'

/** The folder of this Waggle: a clone, or the package's `dist`. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

/**
 * Runs a Node that can run TypeScript, with the arguments that `argvOf` returns. Signals go to it, and its exit status becomes this process's. With
 * `killsAtSecondSignal` a second signal ends it even if it is blocked. If packages or such a Node are missing, it installs them first. This file and its
 * imports are plain JavaScript for Node 14, without dependencies.
 */
export function runOnNode(argvOf, { killsAtSecondSignal = true } = {}) {
  try {
    const argv = argvOf()
    bringDependencies(root)
    run(bringNode(root), argv, killsAtSecondSignal)
  } catch (error) {
    process.stderr.write(`waggle: ${error.message}\n`)
    process.exitCode = 3
  }
}

function run(node, argv, killsAtSecondSignal) {
  // Child processes that run `node` (a swarm's commands) must get the same Node. glibc keeps freed memory in an arena for each thread, and many
  // threads handle pictures.
  const env = Object.assign({ MALLOC_ARENA_MAX: '2' }, process.env, { PATH: dirname(node) + delimiter + (process.env.PATH || '') })
  const child = spawn(node, argv, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // Without a terminal SIGHUP makes the process read its settings again, and does not stop it.
      if (killsAtSecondSignal && (signal !== 'SIGHUP' || process.stdin.isTTY)) killIfSecond()
      // A terminal sends Ctrl-C to the whole foreground group, so it is not forwarded.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    })
  }
  let firstAt = null
  // One Ctrl-C may arrive several times. The process has a moment to end by itself.
  function killIfSecond() {
    if (firstAt === null) firstAt = Date.now()
    else if (Date.now() - firstAt > sameSignalMs) setTimeout(() => child.kill('SIGKILL'), graceMs)
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

const sameSignalMs = 500
const graceMs = 200
