import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A Unix socket for one connection of one process, in a folder that only this user may enter. With `forAll`, every user who reaches the folder may
 * connect, for example the user of a container into which the folder is mounted. The parent folder keeps all other users out. The constructor starts
 * to listen. The first connection, or `close`, ends the listening and deletes the folder.
 */
export class BeeSocket {
  readonly #parent: string | null
  readonly #folder: string | null
  readonly #server: Server
  /** The socket's path; null if this machine cannot listen on a Unix socket now. */
  readonly path: string | null

  constructor(accepted: (connection: Socket) => void, { forAll = false }: { readonly forAll?: boolean } = {}) {
    this.#parent = newFolder()
    this.#folder = forAll && this.#parent !== null ? openFolder(this.#parent) : this.#parent
    // The process may close its sending direction first, and still read the bytes that Waggle writes.
    this.#server = createServer({ allowHalfOpen: true })
    this.#server.on('error', () => this.close())
    this.#server.on('connection', (connection) => {
      const isFirst = this.#server.listening
      this.close()
      if (isFirst) accepted(connection)
      else connection.destroy()
    })
    const path = this.#folder === null ? null : join(this.#folder, fileName)
    if (path !== null) this.#server.listen({ path, readableAll: forAll, writableAll: forAll })
    // The server never listens if the path is too long or no file descriptor is left. `listening` is then false right after `listen`.
    this.path = this.#server.listening ? path : null
    if (this.path === null) this.close()
  }

  close(): void {
    if (this.#server.listening) this.#server.close()
    if (this.#folder === null) return
    // Functions that delete a folder with its content need a file descriptor, and there may be none left.
    quietly(unlinkSync, join(this.#folder, fileName))
    quietly(rmdirSync, this.#folder)
    if (this.#parent !== null && this.#parent !== this.#folder) quietly(rmdirSync, this.#parent)
  }
}

const fileName = 'bee.sock'

function newFolder(): string | null {
  try {
    return mkdtempSync(join(tmpdir(), 'waggle-bee-'))
  } catch {
    return null
  }
}

/** Makes a folder in `parent` that any user may enter; null if the folder cannot be made. */
function openFolder(parent: string): string | null {
  try {
    const folder = join(parent, 'shared')
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    return folder
  } catch {
    return null
  }
}

function quietly(remove: (path: string) => void, path: string): void {
  try {
    remove(path)
  } catch {
    // The file or folder is gone already.
  }
}
