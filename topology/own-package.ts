import { createRequire, registerHooks } from 'node:module'

const require = createRequire(import.meta.url)

export const ownManifest: string = require.resolve('waggle-streams/package.json')

/** The name and the version of the running Waggle, from its package.json. */
export const ownPackage: { readonly name: string; readonly version: string } = require(ownManifest)

/**
 * Makes `import 'waggle-streams'` in each module of this thread resolve to the running Waggle, even if another copy is installed beside the module.
 * Two copies in one process would not know each other's classes.
 */
export function serveOwnPackage(): void {
  const { name } = ownPackage
  registerHooks({
    resolve(specifier, context, next) {
      const isOwn = specifier === name || specifier.startsWith(`${name}/`)
      return next(specifier, isOwn ? { ...context, parentURL: import.meta.url } : context)
    },
  })
}
