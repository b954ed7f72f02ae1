import { WaggleError } from '../../topology/waggle-error.ts'
import { AllowedHosts } from '../http/allowed-hosts.ts'

/** The registries from which Docker may pull the images that swarms name. An image that Docker already has needs no pull and no registry. */
export class ImageRegistries {
  readonly #hosts: AllowedHosts

  /** `hosts`: the value of `WAGGLE_IMAGE_HOSTS`. Null: the large public registries. Throws RangeError for an entry that is no host. */
  constructor(hosts: string | null) {
    this.#hosts = AllowedHosts.parse(hosts ?? publicRegistries.join(','))
  }

  /** Throws WAGGLE_IMAGE_REFUSED if the image would come from a registry that is not allowed. */
  check(image: string, bee: string): void {
    const host = registryOf(image)
    if (URL.canParse(`https://${host}`) && this.#hosts.has(new URL(`https://${host}`))) return
    throw new WaggleError('WAGGLE_IMAGE_REFUSED', {
      message: `${bee} names the image ${image}, which is not on this machine, and images may not be pulled from ${host}`,
      next: `Add the registry to WAGGLE_IMAGE_HOSTS (WAGGLE_IMAGE_HOSTS=docker.io,${host}), if you trust it, or run docker pull ${image} by hand.`,
    })
  }
}

/** The first part of a name is a registry if it has a dot, a colon or a capital, or is `localhost`. All other names are on Docker Hub. */
function registryOf(image: string): string {
  const slash = image.indexOf('/')
  const first = slash === -1 ? '' : image.slice(0, slash)
  if (first !== 'localhost' && !/[.:A-Z]/.test(first)) return 'docker.io'
  return first === 'index.docker.io' || first === 'registry-1.docker.io' ? 'docker.io' : first
}

const publicRegistries = [
  'docker.io',
  'ghcr.io',
  'quay.io',
  'gcr.io',
  'registry.k8s.io',
  'registry.gitlab.com',
  'mcr.microsoft.com',
  'public.ecr.aws',
  'nvcr.io',
]
