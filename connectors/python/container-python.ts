import { basename, dirname } from 'node:path'
import type { Containers } from '../../topology/swarm/ports/containers.ts'
import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import type { PythonImage, PythonOptions } from '../../topology/swarm/ports/python.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { pythonVariables } from './python-variables.ts'
import { sharedFolder } from './shared-folder.ts'

/**
 * Runs a bee's file by the `python3` of a container image. The container sees the folder of the file and the SDK, and can write to neither. The file
 * can import only the packages that the image has.
 */
export async function openInContainer(
  containers: Containers,
  { sdk, image, options }: { readonly sdk: string; readonly image: PythonImage; readonly options: PythonOptions },
): Promise<OpenProcess> {
  const { swarm, bee, file, name, env, group, log } = options
  const folders = [
    { shared: sharedFolder(sdk), target: sdkFolder },
    { shared: sharedFolder(dirname(file)), target: beeFolder },
  ]
  const release = () => {
    for (const { shared } of folders) shared.close()
  }
  try {
    const open = await containers.open({
      ...image,
      ...{ swarm, bee, log, ...(group === undefined ? {} : { group }) },
      entrypoint: ['python3'],
      command: ['-m', 'waggle.runner', `${beeFolder}/${basename(file)}`, name],
      cwd: beeFolder,
      env: {
        ...pythonVariables,
        PYTHONDONTWRITEBYTECODE: '1',
        ...env,
        PYTHONPATH: env.PYTHONPATH === undefined ? sdkFolder : `${sdkFolder}:${env.PYTHONPATH}`,
      },
      folders: folders.map(({ shared: { path: source }, target }) => ({ source, target })),
    })
    return {
      get isReady() {
        return open.isReady
      },
      get wantsParts() {
        return open.wantsParts === true
      },
      call: (calls) => open.call(calls),
      close: (next) => open.close(next).finally(release),
    }
  } catch (thrown) {
    release()
    throw thrown instanceof WaggleError && /python3.*(not found|No such file)/.test(thrown.message) ? withoutPython(thrown, image.image) : thrown
  }
}

function withoutPython(cause: WaggleError, image: string): WaggleError {
  return new WaggleError(cause.code, {
    message: cause.message,
    next: `Name an image that has python3 on its PATH, 3.9 or newer, in the place of ${image}.`,
    cause,
  })
}

const sdkFolder = '/waggle/sdk'
const beeFolder = '/waggle/bee'
