import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Links the packages that `npm ci --omit=dev` would install into a new folder. Deleting a file there leaves the packages of this clone unchanged. */
export function linkProductionPackages(repository: string, folder: string): void {
  const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    readonly packages: { readonly [path: string]: { readonly dev?: boolean; readonly devOptional?: boolean } }
  }
  for (const [path, { dev = false, devOptional = false }] of Object.entries(packages)) {
    if (!path.startsWith('node_modules/') || dev || devOptional) continue
    const target = join(folder, path.slice('node_modules/'.length))
    linkTree(join(repository, path), target)
  }
}

/** Links all files of a package. Packages inside the package have separate entries. A missing folder is a package of another platform. */
function linkTree(from: string, to: string): void {
  let names: readonly string[]
  try {
    names = readdirSync(from)
  } catch {
    return
  }
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.name === 'node_modules' || !names.includes(entry.name)) continue
    if (entry.isDirectory()) linkTree(source, target)
    else if (entry.isSymbolicLink()) cpSync(source, target, { verbatimSymlinks: true })
    else {
      mkdirSync(dirname(target), { recursive: true })
      linkSync(source, target)
    }
  }
}
