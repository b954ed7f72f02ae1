import type { ObjectListing } from '../../topology/swarm/ports/objects.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { unsafePath } from './object-path.ts'
import { refused, tooLarge } from './store-error.ts'

/**
 * Checks the listing of a store before any object is fetched. Throws WAGGLE_MODEL_NOT_FOUND for a folder where a file is needed,
 * WAGGLE_MODEL_TOO_LARGE for a listing past the limits, and WAGGLE_MODEL_REFUSED for names that cannot be files below one folder.
 */
export function checkListing(
  { kind, name, objects }: ObjectListing,
  wish: { readonly address: string; readonly kind: 'file' | 'file or folder'; readonly sha256?: string },
): void {
  const address = shownAddress(wish.address)
  if (kind === 'folder' && wish.kind === 'file') {
    throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
      message: `${address} is a folder of ${objects.length} files, and a file is needed`,
      next: 'Name the file.',
    })
  }
  if (kind === 'folder' && wish.sha256 !== undefined) {
    throw new WaggleError('WAGGLE_MODEL_DIFFERS', {
      message: `${address} is a folder, and sha256 is the hash of one file`,
      next: 'Leave sha256 out, or name a file.',
    })
  }
  if (unsafePath(name) !== null) throw unusable(address, name, unsafePath(name))
  const paths = new Set<string>()
  for (const { path, bytes } of objects) {
    const why = unsafePath(path) ?? (paths.has(path) ? 'it comes twice' : null)
    if (why !== null) throw unusable(address, path, why)
    paths.add(path)
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw refused(address, `the store says that ${path} has ${bytes} bytes`, 'Put the model there again.')
    if (bytes > maxFileBytes) throw tooLarge(`${path} of ${address} has ${bytes} bytes, and a file may have ${maxFileBytes}`, 'Name a smaller model.')
  }
  for (const path of paths) {
    const above = foldersOf(path).find((folder) => paths.has(folder))
    if (above !== undefined) throw unusable(address, path, `${above} is a file too`)
  }
  if (kind === 'file' && objects[0]?.bytes === 0) throw refused(address, 'it is empty', 'Put the model there again.')
}

/** The size limit of one model file in bytes, because ONNX and TensorFlow allow no larger files. */
export const maxFileBytes = 4 * 1024 ** 3

function unusable(address: string, path: string, why: string | null): WaggleError {
  return refused(address, `the name ${JSON.stringify(path.slice(0, 300))} cannot be used here: ${why}`, 'Rename the object.')
}

function foldersOf(path: string): readonly string[] {
  const names = path.split('/')
  return names.slice(1).map((_, at) => names.slice(0, at + 1).join('/'))
}
