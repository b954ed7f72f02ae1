import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type Docker from 'dockerode'

/** Writes the root file system of an image into `root`: this Node with its libraries, a shell with its usual programs, and the user `node`. */
export function writeNodeRoot(root: string): void {
  for (const folder of ['bin', 'tmp', 'dev', 'proc', 'etc', 'run/waggle']) mkdirSync(join(root, folder), { recursive: true })
  chmodSync(join(root, 'tmp'), 0o1777)
  copyProgram(process.execPath, join(root, 'bin', 'node'), root)
  // Packages with native code use parts of the C library that Node does not use.
  const libc = librariesOf(process.execPath).find((library) => library.endsWith('/libc.so.6'))
  if (libc === undefined) return
  for (const part of ['libresolv.so.2', 'librt.so.1']) {
    const library = join(dirname(libc), part)
    if (existsSync(library)) cpSync(realpathSync(library), join(root, library))
  }
}

export function copyProgram(from: string, to: string, root: string): void {
  cpSync(realpathSync(from), to)
  copyLibraries(from, root)
}

/** Copies the libraries that a program or a library loads into the root. Libraries that are already there are skipped. */
export function copyLibraries(of: string, root: string): void {
  for (const library of librariesOf(of)) if (!existsSync(join(root, library))) cpSync(realpathSync(library), join(root, library))
}

function librariesOf(program: string): readonly string[] {
  try {
    return [...execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).matchAll(/(?:=> )?(\/\S+) \(/g)].map(
      ([, path = '']) => path,
    )
  } catch {
    // The program loads no libraries.
    return []
  }
}

/** Makes an image from the files in `root`, whose programs are in /bin. `tar`: the file in which the files are packed. */
export async function importRoot(
  client: Docker,
  { root, tar, image }: { readonly root: string; readonly tar: string; readonly image: string },
): Promise<void> {
  execFileSync('tar', ['--create', '--numeric-owner', '--owner=0', '--group=0', '--mode=a+rX', '--file', tar, '--directory', root, '.'])
  const [repo, tag] = image.split(':')
  const stream = await client.importImage(tar, { repo, tag, changes: 'ENV PATH=/bin' })
  await new Promise((resolve, reject) => {
    client.modem.followProgress(stream, (error: Error | null, output: unknown) => (error === null ? resolve(output) : reject(error)))
  })
}
