/**
 * Runs a TypeScript file of this repository, even in a clone without node_modules.
 *
 *     node ops/setup/launch.mjs FILE [ARGUMENT…]
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { root, runOnNode } from './run-on-node.mjs'

runOnNode(() => {
  const [file, ...rest] = process.argv.slice(2)
  if (file === undefined) throw new Error(`no file is named. ${filesIn('examples')}`)
  const path = resolve(root, file)
  if (!existsSync(path)) throw new Error(`there is no file ${path}. ${filesIn(dirname(file))}`)
  return [path].concat(rest)
})

/** A hint with the files that the user may have meant: the files of the named folder, or of `examples`. */
function filesIn(folder) {
  const meant = folder !== '.' && existsSync(join(root, folder)) ? folder : 'examples'
  if (!existsSync(join(root, meant))) return 'Name a file of this folder.'
  const names = readdirSync(join(root, meant)).filter((name) => /\.m?[jt]s$/.test(name))
  return `Name one of ${names.map((name) => join(meant, name)).join(', ')}.`
}
