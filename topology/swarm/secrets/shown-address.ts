/**
 * An address in the form for messages, logs and operators. It has no query, which may be a signature, and no name and password. A key of S3 may have
 * a question mark, so an S3 address is shown whole.
 *
 * @example
 * shownAddress('https://models.example/iris.onnx?signature=secret') // https://models.example/iris.onnx
 */
export function shownAddress(address: string): string {
  // A password with a slash makes an address that is not a URL. So everything up to the last @ may belong to the password.
  const credentials = URL.canParse(address) ? /^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i : /^([a-z][a-z0-9+.-]*:\/\/).*@/is
  return address
    .replace(/\?.*$/s, (query) => (/^s3:/i.test(address) ? query : ''))
    .replace(credentials, '$1')
    .slice(0, maxShown)
}

const maxShown = 1200
