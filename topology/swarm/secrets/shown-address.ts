/**
 * An address as messages, logs and operators see it: without its query, which may be a signature, and without a name and a password. A key of S3 may
 * have a question mark, and is shown whole.
 *
 * @example
 * shownAddress('https://models.example/iris.onnx?signature=secret') // https://models.example/iris.onnx
 */
export function shownAddress(address: string): string {
  // A password with a slash makes an address that is no URL, so everything up to the last @ may belong to a password.
  const credentials = URL.canParse(address) ? /^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i : /^([a-z][a-z0-9+.-]*:\/\/).*@/is
  return address
    .replace(/\?.*$/s, (query) => (/^s3:/i.test(address) ? query : ''))
    .replace(credentials, '$1')
    .slice(0, maxShown)
}

const maxShown = 1200
