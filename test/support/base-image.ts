import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type Docker from 'dockerode'
import { programOfDebian } from './debian-program.ts'

/** Writes the root of an image into `root`: this Node with its libraries, a shell with its usual programs, and the user `node`. */
export function writeNodeRoot(root: string): void {
  for (const folder of ['bin', 'tmp', 'dev', 'proc', 'etc', 'run/waggle']) mkdirSync(join(root, folder), { recursive: true })
  chmodSync(join(root, 'tmp'), 0o1777)
  copyProgram(process.execPath, join(root, 'bin', 'node'), root)
  // Packages with native code use parts of the C library that Node does not.
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

/** Copies the libraries that a program or a library loads into the root, where it has not got them. */
export function copyLibraries(of: string, root: string): void {
  for (const library of librariesOf(of)) if (!existsSync(join(root, library))) cpSync(realpathSync(library), join(root, library))
}

function librariesOf(program: string): readonly string[] {
  try {
    return [...execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).matchAll(/(?:=> )?(\/\S+) \(/g)].map(
      ([, path = '']) => path,
    )
  } catch {
    // A program without libraries.
    return []
  }
}

function npmOf(packages: string): string {
  const names = readdirSync(packages).filter((name) => !name.startsWith('.'))
  return `#!/bin/sh
[ "$1" = sbom ] && exec busybox cat /opt/sbom.json
[ "$1" = ci ] || exit 1
mkdir node_modules
for name in ${names.join(' ')}; do ln -s "/opt/node_modules/$name" "node_modules/$name"; done
`
}

/**
 * Makes a stand-in for the official image of Node, by its name. Its `npm ci` links the packages of the folder `packages`, which the container mounts at
 * /opt/node_modules, so that no registry is needed. Its `npm sbom` prints the text `sbom`. Returns why it cannot be made; null if it is.
 */
export async function standInForNode(
  client: Docker,
  image: string,
  { packages, sbom }: { readonly packages: string; readonly sbom: string },
): Promise<string | null> {
  const busybox = programOfDebian('busybox', { package: 'busybox-static' })
  if ('missing' in busybox) return busybox.missing
  const directory = mkdtempSync(join(tmpdir(), 'waggle-base-'))
  try {
    const root = join(directory, 'root')
    writeNodeRoot(root)
    copyProgram(busybox.program, join(root, 'bin', 'busybox'), root)
    for (const name of ['sh', 'mkdir', 'chown', 'ln']) symlinkSync('busybox', join(root, 'bin', name))
    writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n')
    writeFileSync(join(root, 'etc', 'group'), 'root:x:0:\nnode:x:1000:\n')
    writeFileSync(join(root, 'bin', 'npm'), npmOf(packages), { mode: 0o755 })
    mkdirSync(join(root, 'opt'))
    writeFileSync(join(root, 'opt', 'sbom.json'), sbom)
    const tar = join(directory, 'root.tar')
    execFileSync('tar', ['--create', '--numeric-owner', '--owner=0', '--group=0', '--file', tar, '--directory', root, '.'])
    const [repo, tag] = image.split(':')
    const stream = await client.importImage(tar, { repo, tag, changes: 'ENV PATH=/bin' })
    await new Promise((resolve, reject) => {
      client.modem.followProgress(stream, (error: Error | null, output: unknown) => (error === null ? resolve(output) : reject(error)))
    })
    return null
  } finally {
    rmSync(directory, { recursive: true })
  }
}
