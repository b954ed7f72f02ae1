import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm as runNpm } from './npm.mjs'

/**
 * Installs node_modules if it is missing or belongs to another package-lock.json. A stamp file is written at the end, so that an interrupted install
 * is done again. An install by hand counts if npm finished it after the last change of the lock file. The published package has no lock file and
 * needs no install.
 */
export function bringDependencies(root, npm = runNpm, say = (line) => process.stderr.write(line)) {
  const lock = join(root, 'package-lock.json')
  if (!existsSync(lock)) return
  const stamp = join(root, 'node_modules', '.waggle-installed')
  const wanted = createHash('sha256').update(readFileSync(lock)).digest('hex')
  if (existsSync(stamp)) {
    if (readFileSync(stamp, 'utf8') === wanted) return
  } else if (finishedByHand(root, lock)) return
  say('waggle: installing dependencies (once, about a minute) …\n')
  npm(['ci'], root)
  writeFileSync(stamp, wanted)
}

function finishedByHand(root, lock) {
  const hidden = join(root, 'node_modules', '.package-lock.json')
  return existsSync(hidden) && statSync(hidden).mtimeMs >= statSync(lock).mtimeMs
}
