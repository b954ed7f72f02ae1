import { createRequire, registerHooks } from 'node:module'

/** The Waggle that runs, as its package.json has it. */
export const ownPackage: { readonly name: string; readonly version: string } = createRequire(import.meta.url)('waggle-streams/package.json')

/**
 * From now on each module of this thread may `import 'waggle-streams'`, wherever it lies: it gets the Waggle that runs it, even where
 * another one is installed beside it. Two of them in one process would not know each other's classes.
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
