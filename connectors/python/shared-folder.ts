import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A folder that any user of this machine may read, for example the user of a container into which the folder is mounted. */
export interface SharedFolder {
  readonly path: string
  close(): void
}

/** The folder itself, if any user may read the folder and the files directly in it. Otherwise a copy of its content in the temporary folder. */
export function sharedFolder(folder: string): SharedFolder {
  if (isOpen(folder) && readdirSync(folder).every((name) => isLeftOut(name) || isOpen(join(folder, name)))) return { path: folder, close: () => {} }
  // The copy is inside a folder that other users of this machine cannot enter.
  const parent = mkdtempSync(join(tmpdir(), 'waggle-python-'))
  const close = () => rmSync(parent, { recursive: true, force: true })
  try {
    const path = join(parent, 'files')
    mkdirSync(path)
    new Copy(folder).into(path)
    return { path, close }
  } catch (thrown) {
    close()
    throw thrown
  }
}

/** True if users other than the owner may read the path. For a folder, they must also be able to enter the folder. */
function isOpen(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return true
  const wanted = stats.isDirectory() ? 0o005 : 0o004
  return (stats.mode & wanted) === wanted
}

function isLeftOut(name: string): boolean {
  return name.startsWith('.') || name === '__pycache__' || name === 'node_modules'
}

class Copy {
  readonly #from: string
  #bytesLeft = maxCopyBytes
  #filesLeft = maxCopiedFiles

  constructor(from: string) {
    this.#from = from
  }

  into(to: string, from = this.#from): void {
    chmodSync(to, 0o755)
    for (const name of readdirSync(from)) {
      const stats = isLeftOut(name) ? undefined : statSync(join(from, name), { throwIfNoEntry: false })
      if (stats?.isDirectory()) {
        mkdirSync(join(to, name))
        this.into(join(to, name), join(from, name))
      } else if (stats?.isFile()) {
        this.#bytesLeft -= stats.size
        this.#filesLeft--
        if (this.#bytesLeft < 0 || this.#filesLeft < 0) throw this.#tooLarge()
        cpSync(join(from, name), join(to, name), { dereference: true })
        chmodSync(join(to, name), 0o644)
      }
    }
  }

  #tooLarge(): WaggleError {
    return new WaggleError('WAGGLE_NOT_RESOLVED', {
      message: `Other users may not read ${this.#from}, and a copy of it for the container would have more than ${maxCopiedFiles} files or ${maxCopyBytes} bytes`,
      next: `Let other users read the folder (chmod -R o+rX ${basename(this.#from)}), or keep the bee’s file in a folder with fewer files.`,
    })
  }
}

const maxCopyBytes = 64 * 1024 * 1024
const maxCopiedFiles = 10_000
