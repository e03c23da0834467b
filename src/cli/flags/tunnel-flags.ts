import { CONNECTS, type Flag } from './flag.ts';

export const TUNNEL_FLAGS: readonly Flag[] = [
  {
    name: 'ssh',
    kind: 'text',
    group: 'Tunnel',
    help: 'reach all stores through this ssh server, [user@]host[:port]; their addresses are meant as seen from there',
    commands: CONNECTS,
  },
  {
    name: 'ssh-identity',
    kind: 'text',
    path: 'file',
    group: 'Tunnel',
    help: 'file of the private key, where not the one that ssh would take',
    commands: CONNECTS,
  },
  {
    name: 'ssh-jump',
    kind: 'text',
    group: 'Tunnel',
    help: 'hosts on the way there, [user@]host[:port][,…]',
    commands: CONNECTS,
  },
  {
    name: 'ssh-config',
    kind: 'text',
    path: 'file',
    group: 'Tunnel',
    help: 'ssh config file in place of the user’s',
    commands: CONNECTS,
  },
  {
    name: 'ssh-timeout',
    kind: 'text',
    group: 'Tunnel',
    help: 'longest wait for the tunnel, at first and when it drops, seconds',
    fallback: '30',
    commands: CONNECTS,
  },
];
