import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { providerFiles, providerFolder, runtimeFolder } from '../../connectors/models/gpu-providers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ended } from '../convert/python-environment.ts'

export interface ProviderFilesOptions {
  /** The Python whose pip downloads the package. Default: `python3`. */
  readonly python?: string
  readonly say: (line: string) => void
}

/** The folder in which onnxruntime-node searches for its providers, and the version of onnxruntime-node. */
export function addonPlace(): { readonly folder: string; readonly version: string } {
  const { version } = JSON.parse(readFileSync(join(runtimeFolder(), 'package.json'), 'utf8')) as { readonly version: string }
  return { folder: providerFolder(), version }
}

/**
 * Copies the providers from the Python package onnxruntime-gpu of the same version into the folder. pip only downloads the package, with pip's own
 * settings, so any version of Python will do. Throws WAGGLE_GPU_SETUP if pip fails, or if the folder cannot be written.
 */
export async function bringProviders(
  { folder, version }: ReturnType<typeof addonPlace>,
  { python = 'python3', say }: ProviderFilesOptions,
): Promise<void> {
  const making = await mkdtemp(join(tmpdir(), 'waggle-gpu-'))
  try {
    say(`fetching onnxruntime-gpu ${version} from pip's index (250 MB)`)
    const wish = ['--no-deps', '--only-binary=:all:', '--implementation', 'cp', '--python-version', '3.12', '--platform', 'manylinux_2_28_x86_64']
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', ...wish, '--dest', making, `onnxruntime-gpu==${version}`]
    await ranForGpu(python, pip, 'See that python3 has pip, and that pip reaches its index.')
    const wheel = (await readdir(making)).find((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw failed('pip brought no package', 'See what `python3 -m pip download onnxruntime-gpu` brings.')
    const members = providerFiles.map((name) => `onnxruntime/capi/${name}`)
    await ranForGpu(python, ['-c', extraction, join(making, wheel), making, ...members], 'See that there is room in the folder of temporary files.')
    for (const name of providerFiles) await intoPlace(join(making, 'onnxruntime', 'capi', name), folder, name)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** Copies a file under a temporary name and then renames it, because a running process may have the old file open. */
async function intoPlace(from: string, folder: string, name: string): Promise<void> {
  const making = join(folder, `${name}.${process.pid}`)
  try {
    await copyFile(from, making)
    await rename(making, join(folder, name))
  } catch (cause) {
    await rm(making, { force: true }).catch(() => {})
    throw failed(`${folder} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, 'Run it as the owner of that folder.')
  }
}

const extraction = 'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]) as wheel:\n    for name in sys.argv[3:]: wheel.extract(name, sys.argv[2])'

/** Runs a program and returns its standard output. Throws WAGGLE_GPU_SETUP if the program fails. */
export async function ranForGpu(program: string, argv: readonly string[], next: string): Promise<string> {
  try {
    return await ended(program, argv, next)
  } catch (thrown) {
    throw thrown instanceof WaggleError ? failed(thrown.message, thrown.next) : thrown
  }
}

function failed(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_GPU_SETUP', { message, next })
}
