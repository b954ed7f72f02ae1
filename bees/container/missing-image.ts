import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The error for an image that is missing on this machine. `isHere` is false if Docker says that it lacks the image, and null if no Docker answers.
 */
export function missingImage(bee: string, image: string, isHere: false | null): WaggleError {
  const map = `in waggle.yaml, beside the swarm: resolve: {"${image}": [program, argument]}.`
  return new WaggleError('WAGGLE_NOT_RESOLVED', {
    message: `${bee} names the image ${image}, and this machine has no command for it; ${isHere === null ? 'no Docker answers here' : 'its Docker has no such image either'}`,
    next:
      isHere === null
        ? `Start Docker, or map the image to a command, ${map}`
        : `It is pulled when the swarm starts. If it cannot be: build it, or map it to a command, ${map}`,
  })
}
