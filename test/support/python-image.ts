import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type Docker from 'dockerode'
import { copyLibraries, copyProgram, importRoot } from '../../ops/bench/node-image.ts'

/** Makes an image with only this machine's `python3` and its standard library. Returns its name. */
export async function makePythonImage(client: Docker): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-python-image-'))
  try {
    const [executable = '', library = ''] = execFileSync('python3', ['-c', probe], { encoding: 'utf8' }).trim().split('\n')
    const root = join(directory, 'root')
    for (const folder of ['bin', 'tmp', 'dev', 'proc', dirname(executable), dirname(library)]) mkdirSync(join(root, folder), { recursive: true })
    // Python finds its library relative to its program, so both are at the same paths as on this machine.
    copyProgram(executable, join(root, executable), root)
    symlinkSync(executable, join(root, 'bin', 'python3'))
    cpSync(library, join(root, library), { recursive: true, dereference: true, filter: (path) => !leftOut.has(basename(path)) })
    for (const name of readdirSync(join(library, 'lib-dynload'))) copyLibraries(join(library, 'lib-dynload', name), root)
    await importRoot(client, { root, tar: join(directory, 'python.tar'), image: pythonImage })
    return pythonImage
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const probe = 'import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_path("stdlib"))'
const leftOut = new Set(['site-packages', 'dist-packages', 'test', 'tests', 'idlelib', 'tkinter', 'ensurepip', 'pydoc_data', '__pycache__'])
const pythonImage = 'waggle-test/python:1'
