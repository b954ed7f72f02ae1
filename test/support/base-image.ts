import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { copyProgram, importRoot, writeNodeRoot } from '../../ops/bench/node-image.ts'
import { programOfDebian } from './debian-program.ts'

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
 * Makes a stand-in for Node's official image, under its name. Its `npm ci` links the packages of the folder `packages`, which the container mounts at
 * /opt/node_modules, so that no registry is needed. Its `npm sbom` prints the text `sbom`. Returns the reason why the image cannot be made; null if
 * it was made.
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
    await importRoot(client, { root, tar: join(directory, 'root.tar'), image })
    return null
  } finally {
    rmSync(directory, { recursive: true })
  }
}
