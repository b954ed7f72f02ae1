import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve, sep } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { invalidAddress } from './invalid-address.ts'
import { unsafePath } from './object-path.ts'

/**
 * Finds the path of `npm:package/path`, starting in a folder, as Node finds packages. The package need not export the file. Throws
 * WAGGLE_MODEL_SOURCE for an address in another form. Throws WAGGLE_MODEL_NOT_FOUND if the package or the file is missing, or if the path leads out
 * of the package.
 */
export function packageFile(address: string, from: string): string {
  const [, name = '', path = ''] = /^npm:((?:@[a-z0-9~_.-]+\/)?[a-z0-9~_-][a-z0-9~_.-]*)\/(.+)$/i.exec(address) ?? []
  if (name === '') throw invalidAddress(address, 'it does not have the form npm:PACKAGE/PATH')
  const wrong = unsafePath(path.replace(/\/$/, ''))
  if (wrong !== null) throw invalidAddress(address, `${wrong} in ${JSON.stringify(path)}`, 'Name a file in the package.')
  const folders = createRequire(resolve(from, 'swarm.yaml')).resolve.paths(name) ?? []
  const folder = folders.map((modules) => join(modules, name)).find((one) => existsSync(join(one, 'package.json')))
  if (folder === undefined) throw notThere(address, `no package ${name} is installed for ${from}`, `Install the package: npm install ${name}.`)
  const file = join(folder, path)
  if (!existsSync(file)) throw notThere(address, `the package in ${folder} has no ${path}`, 'Correct the path, or install the version that has it.')
  const real = realpathSync(file)
  if (!real.startsWith(realpathSync(folder) + sep))
    throw notThere(address, `${file} is a link that leads out of the package`, 'Name a file in the package.')
  return real
}

function notThere(address: string, why: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_NOT_FOUND', { message: `There is no ${address}: ${why}`, next })
}
