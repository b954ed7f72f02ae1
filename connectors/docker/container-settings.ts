import { basename, dirname } from 'node:path'
import type { ContainerCreateOptions } from 'dockerode'
import type { ContainerOptions } from '../../topology/swarm/ports/containers.ts'
import type { FoundImage } from './images.ts'

/**
 * The settings of a bee's container. A bee only reads requests and writes results. Its container therefore has no network, no capability, no writable
 * file outside /tmp, and no root user. Memory, cores and processes are limited as the spec says. docs/decisions/containers.md has the reasons.
 */
export function containerSettings(
  { swarm, bee, command, entrypoint, cwd, folders = [], env, limits, network, gpu }: ContainerOptions,
  { image, labels, socket }: { readonly image: FoundImage; readonly labels: { readonly [name: string]: string }; readonly socket: string | null },
): ContainerCreateOptions {
  const own = { ...env, WAGGLE_PROTOCOL: '1', WAGGLE_LOG_LINES: '1', WAGGLE_SWARM: swarm, WAGGLE_BEE: bee }
  const variables = socket === null ? own : { ...own, WAGGLE_BEE_SOCKET: `${mountedAt}/${basename(socket)}` }
  const mounts = socket === null ? folders : [...folders, { source: dirname(socket), target: mountedAt }]
  return {
    Image: image.id,
    ...(entrypoint === undefined ? {} : { Entrypoint: [...entrypoint] }),
    ...(cwd === undefined ? {} : { WorkingDir: cwd }),
    ...(command === null ? {} : { Cmd: [...command] }),
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    User: isUnprivileged(image.user) ? image.user : unprivilegedUser,
    Labels: { ...labels },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // The program's input ends with the connection, even when Waggle is killed.
    StdinOnce: true,
    // A terminal would mix standard output with standard error.
    Tty: false,
    HostConfig: {
      NetworkMode: network ?? 'none',
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': `rw,nosuid,nodev,noexec,mode=1777,size=${tmpBytes}` },
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: limits.memoryBytes,
      // Memory and swap together have the limit of memory alone, so the container gets no swap.
      MemorySwap: limits.memoryBytes,
      NanoCpus: Math.round(limits.cpus * 1e9),
      PidsLimit: limits.pids,
      // Docker's init process runs first in the container. It reaps the children that the program leaves behind.
      Init: true,
      // Docker's usual log driver would write every result to a file that nobody reads and that grows without end.
      LogConfig: { Type: 'none', Config: {} },
      ...(mounts.length === 0
        ? {}
        : { Mounts: mounts.map(({ source, target }) => ({ Type: 'bind' as const, Source: source, Target: target, ReadOnly: true })) }),
      ...(gpu === 0 ? {} : { DeviceRequests: [{ Driver: '', Count: gpu, DeviceIDs: undefined, Capabilities: [['gpu']], Options: {} }] }),
    },
  }
}

/**
 * True for a user number other than 0. A user name is not enough: the image's own list of users gives a name its number, so the name may stand for
 * root.
 */
function isUnprivileged(user: string): boolean {
  const [id = ''] = user.split(':')
  return /^\d+$/.test(id) && !/^0+$/.test(id)
}

/** The user `nonroot` of distroless images. This user owns no files. */
const unprivilegedUser = '65532:65532'
const tmpBytes = 64 * 1024 * 1024
/** The folder of the socket in the container. */
const mountedAt = '/run/waggle'
