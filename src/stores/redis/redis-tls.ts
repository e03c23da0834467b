import { readFile } from 'node:fs/promises';
import { createConnection, isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect, createSecureContext } from 'node:tls';
import { MigrateError } from '../../model/errors.ts';
import type { Node } from './node-map.ts';

/** How to speak TLS to a server. Its certificate is always checked: there is no switch that leaves that out. */
export interface RedisTls {
  /** PEM file with the authorities to trust in place of the system's. */
  readonly caFile?: string | undefined;
  /** PEM files of the certificate by which this client names itself, and of its key. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Of the key. */
  readonly passphrase?: string | undefined;
  /** The name that must stand in the server's certificate, where it is not the host's. */
  readonly servername?: string | undefined;
}

/** The driver's options. The files are read at each connection, so that renewed certificates are taken. */
export async function tlsOptions(tls: RedisTls): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([
    fileOf('--redis-ca', tls.caFile),
    fileOf('--redis-cert', tls.certFile),
    fileOf('--redis-key', tls.keyFile),
  ]);
  const options = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new MigrateError('unreachable', `the certificates for Redis cannot be used: ${(error as Error).message}`, {
      next: /passphrase|bad decrypt|interrupted or cancelled/i.test(String(error))
        ? 'set REDIS_KEY_PASSPHRASE to the passphrase of --redis-key'
        : 'see that --redis-ca, --redis-cert and --redis-key name PEM files, and that certificate and key belong together',
    });
  }
  return { ...options, ...nameOptions(tls.servername) };
}

/** The same where the server is reached at an address that is not its own: its certificate names its own all the same. */
export function namedAs(node: Node, tls: RedisTls | undefined): RedisTls | undefined {
  return tls && { ...tls, servername: tls.servername ?? node.host };
}

/** An address is not sent as a name (RFC 6066), but must stand in the certificate. */
function nameOptions(name: string | undefined): ConnectionOptions {
  if (name === undefined) return {};
  if (isIP(name) === 0) return { servername: name };
  return { checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) };
}

async function fileOf(flag: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new MigrateError('unreachable', `${flag} ${path} cannot be read (${code})`, { next: 'correct the path' });
  }
}

const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_UNTRUSTED|CERT_SIGNATURE/;

/** What to do about a failed connection, where TLS is why: the same attempt would fail again. */
export function tlsAdvice(error: unknown, tls: RedisTls): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'give the host as the certificate names it, or its name with --redis-tls-servername (behind a tunnel)';
  if (UNTRUSTED.test(code)) {
    return tls.caFile === undefined
      ? 'give the authority that signed the server’s certificate with --redis-ca'
      : 'the authority in --redis-ca did not sign the server’s certificate: give the one that did';
  }
  if (/^CERT_/.test(code)) return 'the server needs a new certificate (and this machine the right time)';
  if (/wrong.version.number|packet length too long/i.test(`${error.message} ${code}`)) return NOT_TLS;
  if (/protocol version/.test(error.message))
    return 'the server speaks no TLS 1.2 or 1.3: have it speak one of them (tls-protocols in its configuration)';
  // What is left may have other causes than a certificate: such an alert is told as it is.
  if (
    !/alert (certificate|bad certificate|no certificate|unsupported certificate|unknown ca|access denied|handshake failure|decrypt error)/.test(
      error.message,
    )
  )
    return undefined;
  return tls.certFile === undefined
    ? 'the server asks for a client certificate: give one that it trusts with --redis-cert and --redis-key'
    : 'the server does not take this client certificate: give one that it trusts with --redis-cert and --redis-key';
}

const NOT_TLS = 'that port does not speak TLS: leave out --redis-tls (and rediss://), or give its TLS port';
const SPEAKS_TLS = 'that port speaks TLS: add --redis-tls (and --redis-ca), or give a rediss:// address';
const SPEAKS_HTTP = 'that port speaks HTTP, not Redis’ protocol: give the port of Redis';
const LOOK_MS = 1_000;

/**
 * What to do about a connection that was reset, fell silent or brought nonsense: looks whether the port speaks TLS, and
 * why it does not go on, or another protocol. Sends no login.
 */
export async function diagnosed(node: Node, tls: RedisTls | undefined): Promise<string | undefined> {
  if (tls === undefined) {
    const plain = await plainAnswer(node);
    if (plain === 'http') return SPEAKS_HTTP;
    return plain === 'redis' ? undefined : adviceToUseTls(await handshake(node, {}));
  }
  const spoken = await handshake(node, await tlsOptions(tls));
  if (spoken instanceof Error || spoken === 'spoken') return tlsAdvice(spoken, tls);
  const plain = await plainAnswer(node);
  return plain === 'http' ? SPEAKS_HTTP : plain === 'redis' ? NOT_TLS : undefined;
}

/** Whatever is wrong with the certificates, a server that has shown them speaks TLS. */
function adviceToUseTls(spoken: Spoken): string | undefined {
  const advice = spoken instanceof Error ? tlsAdvice(spoken, {}) : undefined;
  return spoken === 'spoken' || (advice !== undefined && advice !== NOT_TLS) ? SPEAKS_TLS : undefined;
}

type Spoken = 'spoken' | 'silent' | 'ended' | Error;

/** How a handshake goes; where it is done, what the server still has against it, which it tells afterwards. */
function handshake({ host, port }: Node, options: ConnectionOptions): Promise<Spoken> {
  return new Promise((resolve) => {
    let spoken: Spoken = 'silent';
    const socket = connect({ host, port, ...options });
    const timer = setTimeout(() => socket.destroy(), LOOK_MS);
    socket.on('secureConnect', () => {
      spoken = 'spoken';
    });
    socket.on('end', () => {
      if (spoken === 'silent') spoken = 'ended';
    });
    socket.on('error', (error) => {
      spoken = 'code' in error && error.code === 'ECONNRESET' && spoken === 'silent' ? 'ended' : error;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(spoken);
    });
  });
}

/** Who answers a request that is sent in clear: both protocols take it for one of theirs that is wrong. */
function plainAnswer({ host, port }: Node): Promise<'redis' | 'http' | undefined> {
  return new Promise((resolve) => {
    let answer: 'redis' | 'http' | undefined;
    const socket = createConnection({ host, port }, () => socket.write('PING / HTTP/1.1\r\n\r\n'));
    const timer = setTimeout(() => socket.destroy(), LOOK_MS);
    socket.on('data', (data) => {
      const text = data.toString('latin1');
      answer = /^[+-]/.test(text) ? 'redis' : text.startsWith('HTTP/') ? 'http' : undefined;
      socket.destroy();
    });
    // That it cannot be reached at all is known already.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
