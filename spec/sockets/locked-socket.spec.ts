import { describeSocket } from '../conformance/socket-suite.js';

describeSocket('LockedSocket in memory', 'plain in memory');
describeSocket('LockedSocket over TCP', 'plain over TCP');
describeSocket('LockedSocket over WebSocket', 'plain over WebSocket');
describeSocket('LockedSocket over MessagePort', 'plain over MessagePort');
