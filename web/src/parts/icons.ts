/** Every icon of the page, by what it means here. */
export {
  Activity, ArrowDown, ArrowLeft, ArrowRight, BookOpen, Check, ChevronDown, ChevronRight, CircleAlert, CircleCheck, CircleDashed, CircleHelp,
  CircleMinus, Columns3, Command as CommandKey, Copy, CornerDownLeft, DoorOpen, Download, Fingerprint, FileDown, Globe, Hand, KeyRound, Keyboard, LayoutDashboard,
  Link2, LogOut, Mail, Menu, Moon, Network, Pause, Play, Plug, Plus, Radio, RotateCcw, Search, Server, Settings, ShieldAlert, SquareTerminal,
  Sun, SunMoon, Trash2, TriangleAlert, Unplug, UserRound, Users, Waypoints, Workflow, X, Sprout, Radar, Boxes, Clapperboard, Clock, Dot, FastForward, SkipForward, SkipBack,
} from 'lucide-react';
